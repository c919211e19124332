"""How mail arrives: the socket around smtp.server, submission, and the reception of port 25."""
