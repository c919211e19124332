"""Where mail waits: deliveries and their states, retry times, lanes, the store port, and the loop that claims them."""
