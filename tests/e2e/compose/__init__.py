"""`make compose-test`: the containers as a user starts them, under load, scaled and killed. Needs Docker, and no more than Python."""
