"""OAuth2 as values: Microsoft's clouds, how one signs in, what stands in a token. Pure."""
