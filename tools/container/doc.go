// Package container tests the container image and the Compose file: `make test-image`.
package container
