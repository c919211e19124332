"""Work that foreign data can make endless or fatal, in processes of its own: one life for all kinds of such workers.

    pool     which job goes to which worker, and what follows when one dies            (the daemon's side)
    process  one worker's life as the daemon sees it                                   (the daemon's side)
    wire     frames over a socket pair, both ways                                      (both)
    program  the limits of one job, and the loop of a worker's program                 (the other side)

The press (`campaigns.pressroom`) and the reading room (`correspondence.room`) are made of it: each says in a `Trade`
what its jobs and results are and how they travel.  A worker holds no key, no secret and no open file but its one
socket.
"""
