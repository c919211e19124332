"""Where accepted mail is put: routing, the jobs that get it there, and what delivers it."""
