"""A page to try models in a browser, on this machine alone (`pip install 'sod[demo]'`)."""
