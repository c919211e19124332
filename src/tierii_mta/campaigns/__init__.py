"""Why many leave: the campaign file, its audience and templates, and the mail made from them at the attempt."""
