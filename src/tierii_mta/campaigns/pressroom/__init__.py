"""The press in worker processes: rendering with limits that hold whatever a template does.

    pool     which mail goes to which worker, what follows when one dies, signing      (the daemon's side)
    process  one worker's life as the daemon sees it                                   (the daemon's side)
    wire     what the two say to each other                                            (both)
    worker   the program that renders                                                  (the other side)

A worker holds no key, no secret and no open file but its one socket.
"""
