"""Methods that train several networks and route every patient to one of them."""
