"""Commands that put registries together and publish copies of them."""
