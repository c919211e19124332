"""What came back means: received mail read, matched with what we sent, acted upon, and put where it belongs.

In reading order:
    reading    what a message turned out to be, as values
    read       one message from octets to a reading                                          (pure)
    classify   its kind, by what these find: complaint, bounce, unsubscribe, notices, auto_reply with absence   (pure)
    quote      what is new in it                                                             (pure)
    thread     which message of ours it answers                                              (pure)
    processor  the inbox, message by message: read, match, act and settle in one commit
    mailbox    where accepted mail is put; it waits and is tried again while that fails
"""
