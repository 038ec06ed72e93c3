"""How concepts are spread over a layer's units: one vector a concept."""
