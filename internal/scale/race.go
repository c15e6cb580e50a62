//go:build race

package scale

// slow: the race detector makes everything slow and large.
const slow = true
