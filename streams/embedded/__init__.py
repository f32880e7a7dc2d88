"""Real servers for one laptop, and the processes of leadheat around them."""
