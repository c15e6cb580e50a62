package siptest

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/net/websocket"
)

// connect opens a connection and what is spoken over it.
func connect(d *net.Dialer, cfg Config) (net.Conn, error) {
	conn, err := d.Dial("tcp", cfg.Server)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(d.Timeout)); err != nil {
		return nil, closing(conn, err)
	}
	over := conn
	switch cfg.Transport {
	case "tls":
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		over, err = secure, secure.HandshakeContext(context.Background())
	case "ws":
		over, err = webSocket(conn, cfg.Server)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, closing(conn, err)
	}
	return over, nil
}

func closing(conn net.Conn, err error) error {
	_ = conn.Close()
	return err
}

// wsConn is a WebSocket as a stream: a message goes out with one Write.
type wsConn struct {
	*websocket.Conn
	under net.Conn
}

func webSocket(conn net.Conn, server string) (net.Conn, error) {
	cfg, err := websocket.NewConfig("ws://"+server+"/", "http://"+server)
	if err != nil {
		return nil, err
	}
	cfg.Protocol = []string{"sip"}
	ws, err := websocket.NewClient(cfg, conn)
	if err != nil {
		return nil, err
	}
	return &wsConn{ws, conn}, nil
}

// LocalAddr is that of the connection: a WebSocket's own is a URL.
func (c *wsConn) LocalAddr() net.Addr { return c.under.LocalAddr() }

// Close ends the connection without a close frame, as a phone that lost its
// power would.
func (c *wsConn) Close() error { return c.under.Close() }
