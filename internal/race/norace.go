//go:build !race

// Package race tells tests whether the race detector looks on. Only tests use it.
package race

// Enabled tells whether the race detector looks on.
const Enabled = false
