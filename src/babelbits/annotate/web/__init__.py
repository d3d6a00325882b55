"""The app's pages: routes, what protects them, templates. Knows no variant and opens no key."""
