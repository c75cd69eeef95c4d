"""What the Internet has to know about this host and its domains: services that others find, the DNS zone of each domain, and whether
all of it is so (`doctor`)."""
