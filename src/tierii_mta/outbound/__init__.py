"""How mail leaves: route, throttle, session, attempt, and what the reply means."""
