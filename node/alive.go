package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Reload reads again the files that a node takes into use while it runs, and takes
// another limit of new calls and registrations.
func (n *Node) Reload(rate int) error { return errors.Join(n.sip.Reload(rate), n.web.reload()) }

// Alive asks the SIP port as a phone would, and is an error when it gives no answer
// before the context ends: whatever stands still then, this node is of no use.
func (n *Node) Alive(ctx context.Context) error {
	to, ok := n.sip.UDPAddr().(*net.UDPAddr)
	if !ok {
		return nil
	}
	at := *to
	switch {
	case at.IP.IsUnspecified() && at.IP.To4() != nil:
		at.IP = net.IPv4(127, 0, 0, 1)
	case at.IP.IsUnspecified():
		at.IP = net.IPv6loopback
	}
	conn, err := net.DialUDP("udp", nil, &at)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	here := conn.LocalAddr()
	id := fmt.Sprintf("alive%x", time.Now().UnixNano())
	_, err = fmt.Fprintf(conn, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 1\r\nFrom: <sip:%s>;tag=%s\r\nTo: <sip:%s>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", &at, here, id, here, id, &at, id)
	if err != nil {
		return err
	}
	answer := make([]byte, 64)
	for {
		l, err := conn.Read(answer)
		switch {
		case err != nil:
			return fmt.Errorf("the SIP port gives no answer: %w", err)
		case bytes.HasPrefix(answer[:l], []byte("SIP/2.0 ")):
			return nil
		}
	}
}
