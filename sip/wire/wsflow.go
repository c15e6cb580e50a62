package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/sip/message"
)

// wsKeepAlive is how often a WebSocket is pinged: proxies and NATs on the way
// forget what is silent for a minute, and a browser cannot ping.
const wsKeepAlive = 25 * time.Second

// wsConn is a WebSocket: what is written is one message. What is read are the
// bytes of the other side's frames.
type wsConn struct {
	net.Conn

	mu   sync.Mutex // held for a write
	said bool       // a close frame; nothing follows one
}

// NetConn is the connection beneath.
func (c *wsConn) NetConn() net.Conn { return c.Conn }

// Write sends a message (RFC 7118 §4.2: as text or binary).
func (c *wsConn) Write(b []byte) (int, error) {
	kind := byte(WSText)
	if !utf8.Valid(b) {
		kind = wsBinary
	}
	if err := c.frame(kind, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *wsConn) frame(kind byte, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(kind, payload)
}

// put writes a frame; the caller holds mu.
func (c *wsConn) put(kind byte, payload []byte) error {
	if c.said {
		return net.ErrClosed
	}
	c.said = kind == wsClose
	_, err := c.Conn.Write(AppendFrame(make([]byte, 0, wsHeaderSize+len(payload)), kind, payload))
	return err
}

// sayClose sends a close frame, unless one was sent or something is being written.
func (c *wsConn) sayClose(why WSError) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(closingTime))
	var status []byte
	if why != wsNoStatus {
		status = binary.BigEndian.AppendUint16(nil, uint16(why))
	}
	_ = c.put(wsClose, status)
}

// Close implements net.Conn.
func (c *wsConn) Close() error {
	c.sayClose(WSGoingAway)
	return c.Conn.Close()
}

// cutFrames takes whole frames off the buffer, as many as there is room for.
func (f *Flow) cutFrames() error {
	rest := f.buf
	f.ready, f.held = f.ready[:0], false
	for {
		if f.held = f.pending.full(time.Now()); f.held {
			break
		}
		kind, payload, n, err := f.frames.next(rest)
		if err == WSTooLarge { //nolint:errorlint // it is just that
			head, whole := f.frames.head(rest)
			if !whole {
				break // who sent it is to hear 513
			}
			f.refuse(head, message.ErrTooLarge)
		}
		if err == nil && n > 0 {
			err = f.frame(kind, payload)
		}
		if err != nil {
			return err // what is ready goes up before hangUp
		}
		if n == 0 {
			break
		}
		if rest = rest[n:]; f.frames.kind == 0 {
			f.began = time.Now()
		}
	}
	f.keep(rest)
	return nil
}

// frame serves a message or a control frame. A wsError ends the WebSocket.
func (f *Flow) frame(kind byte, payload []byte) error {
	switch kind {
	case WSText, wsBinary:
		f.speaks() // pings and pongs don't count: anybody's browser answers ours
		// Keep-alives are as in RFC 5626 §3.5.1, and each message is a frame's
		// or several frames' (RFC 7118 §4.2).
		if payload = f.keepAlive(payload); len(payload) > 0 {
			return f.message(payload)
		}
	case WSPing:
		return f.Control(wsPong, payload)
	case wsClose:
		return closeStatus(payload)
	}
	return nil
}

// Control sends a control frame; a phone that does not read loses its connection.
func (f *Flow) Control(kind byte, payload []byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	err := f.Conn.SetWriteDeadline(time.Now().Add(f.l.stuck))
	if err == nil {
		err = f.Conn.(*wsConn).frame(kind, payload)
	}
	if err != nil {
		f.Conn.Close()
	}
	return err
}

// hangUp ends a connection from which no more comes. That of a WebSocket ends
// with a close frame of its own: the answer to the other side's, or why no more
// is taken.
func (f *Flow) hangUp(why error) error {
	var status WSError
	c, ok := f.Conn.(*wsConn)
	if !ok || !errors.As(why, &status) {
		if f.linger(); errors.Is(why, errRefused) {
			farewell(f.Conn)
			return io.EOF
		}
		return why
	}
	if status == WSProtocol || status == WSBadText || status == WSTooLarge {
		f.l.stats.Malformed.Add(1)
	}
	// What the phone asked before it said goodbye has its answer first.
	if status != WSProtocol {
		f.linger()
	}
	c.sayClose(status)
	farewell(c.Conn)
	return io.EOF
}

// keepWebSockets pings all WebSockets now and then, whether or not they are in
// use otherwise.
func (f *Flows) keepWebSockets(ctx context.Context) error {
	t := time.NewTicker(wsKeepAlive)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		for _, fl := range f.All() {
			if fl.frames != nil {
				fl.PingWebSocket()
			}
		}
	}
}

// PingWebSocket makes nobody wait: while a write is on its way there is no need to.
func (f *Flow) PingWebSocket() {
	if !f.writing.TryLock() {
		return
	}
	f.writing.Unlock()
	go func() { _ = f.Control(WSPing, nil) }()
}
