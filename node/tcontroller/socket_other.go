//go:build !linux

package tcontroller

import (
	"net"
	"syscall"
)

// SetUserTimeout does nothing here: this system has no TCP_USER_TIMEOUT, and a
// silent cut is noticed by gossip and the silence of the link.
func SetUserTimeout(*net.TCPConn) error { return nil }

// measureSocket knows nothing here.
func measureSocket(syscall.RawConn) Socket { return Socket{} }
