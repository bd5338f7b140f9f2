"""The register of what people said about sharing: who may say it, which version is in force, what it changes."""
