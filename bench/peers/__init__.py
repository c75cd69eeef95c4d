"""Other mail servers, set up with durable settings and tuned as their own manuals advise."""
