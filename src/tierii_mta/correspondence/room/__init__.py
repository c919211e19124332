"""The reading room: everything that looks into a received message, in worker processes with limits.

    pool     `ReadingRoom`: what callers ask, and what they get when a message cannot be read  (the daemon's side)
    wire     what the two say to each other                                                    (both)
    worker   the program that reads                                                            (the other side)

The life of the processes is `workers`'.
"""
