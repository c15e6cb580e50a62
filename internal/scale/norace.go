//go:build !race

package scale

const slow = false
