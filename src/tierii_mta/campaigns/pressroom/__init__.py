"""The press in worker processes: rendering with limits that hold whatever a template does.

    pool     a pool of workers (workers.pool), signing, the guilt of campaigns         (the daemon's side)
    dialect  what is said to one worker                                                (the daemon's side)
    wire     how it is said                                                            (both)
    worker   the program that renders                                                  (the other side)

A worker holds no key, no secret and no open file but its one socket.
"""
