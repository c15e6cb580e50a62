//go:build !linux

package consensus

import (
	"net"
	"time"
)

// giveUpAfter needs TCP_USER_TIMEOUT; elsewhere Raft's own timeout counts.
func giveUpAfter(net.Conn, time.Duration) {}
