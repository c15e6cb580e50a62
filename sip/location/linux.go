//go:build !linux

package location

// The node is a program for Linux: CLOCK_BOOTTIME here, recvmmsg(2) and
// sendmmsg(2) in package wire, TCP_USER_TIMEOUT between nodes. This is the one
// place that says so; the Go client (api/tlib) builds everywhere.
var _ int = "sipcluster: the node runs on Linux only"
