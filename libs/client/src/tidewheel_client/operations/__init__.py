"""Every operation of the API as a function that returns its `Call`; the names are the `operationId`s. Pure."""
