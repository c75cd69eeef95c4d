"""Mail in the browser: signing in, and an account's own folders and messages (`/api/mailhub/v1/own/`), with the page that shows them."""
