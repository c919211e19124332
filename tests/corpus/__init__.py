"""Mail and contacts that we wrote ourselves, where no public set has them."""
