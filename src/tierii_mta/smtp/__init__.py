"""How SMTP is spoken: sans-I/O engines that are fed bytes and give bytes and results. Pure, no sockets."""
