"""TLS in Python behind the interface of the `ssl` module: `import puretls as ssl`."""
