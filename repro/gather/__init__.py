"""Facts from outside the card: a Hub, a local folder, published artefacts."""
