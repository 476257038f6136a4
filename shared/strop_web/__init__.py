"""What the services with pages share: sign-in, the shell of a page, static files, views of images."""
