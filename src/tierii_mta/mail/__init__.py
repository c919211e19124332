"""What a mail is: addresses, envelope, headers, replies about it, ids and tokens. Pure values, no I/O."""
