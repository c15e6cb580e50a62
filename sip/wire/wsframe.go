package wire

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/sip/message"
)

// The kinds of frames (RFC 6455 §5.2).
const (
	wsContinuation = 0
	WSText         = 1
	wsBinary       = 2
	wsClose        = 8
	WSPing         = 9
	wsPong         = 10
)

// WSError is what ends a WebSocket: the status of its close frame (RFC 6455 §7.4.1).
type WSError uint16

const (
	WSNormal     WSError = 1000
	WSGoingAway  WSError = 1001
	WSProtocol   WSError = 1002
	WSBadText    WSError = 1007
	WSTooLarge   WSError = 1009
	wsNoStatus   WSError = 1005 // never sent
	maxControl           = 125
	wsHeaderSize         = 10 // of our own frames, at most
)

func (e WSError) Error() string {
	switch e {
	case WSBadText:
		return "text is not UTF-8"
	case WSTooLarge:
		return "message too large"
	case WSProtocol:
		return "WebSocket protocol error"
	}
	return "WebSocket closed"
}

// frames reads what a phone sends over a WebSocket and joins its fragments.
type frames struct {
	limit int
	// kind and partial are of the message whose end is missing; 0 when none is.
	kind    byte
	partial []byte
}

// wsHeader is the first part of a frame.
type wsHeader struct {
	final bool
	kind  byte
	size  int // of itself
	mask  [4]byte
	body  uint64
}

// next takes one frame off b: n is its length, 0 while bytes are missing. A
// whole message has its kind and its payload, and so has a control frame; a
// fragment has kind wsContinuation. b is changed where it was read.
func (f *frames) next(b []byte) (kind byte, payload []byte, n int, err error) {
	h, err := f.header(b)
	if err != nil || h.size == 0 || uint64(len(b)-h.size) < h.body {
		return 0, nil, 0, err
	}
	n = h.size + int(h.body)
	payload = b[h.size:n]
	for i := range payload {
		payload[i] ^= h.mask[i&3]
	}
	if h.kind >= wsClose {
		return h.kind, payload, n, nil
	}
	kind, payload, err = f.join(&h, payload)
	return kind, payload, n, err
}

// header reads the header of a frame; its size is 0 while bytes are missing.
func (f *frames) header(b []byte) (h wsHeader, err error) {
	if len(b) < 2 {
		return h, nil
	}
	h.final, h.kind, h.body = b[0]&0x80 != 0, b[0]&0x0f, uint64(b[1]&0x7f)
	if b[0]&0x70 != 0 || b[1]&0x80 == 0 || !f.fits(&h) {
		return h, WSProtocol
	}
	size := 2
	switch h.body {
	case 126:
		if size = 4; len(b) >= size {
			h.body = uint64(binary.BigEndian.Uint16(b[2:]))
		}
	case 127:
		if size = 10; len(b) >= size {
			h.body = binary.BigEndian.Uint64(b[2:])
		}
	}
	if len(b) < size {
		return h, nil
	}
	if size == 4 && h.body < 126 || size == 10 && (h.body <= 0xffff || h.body>>63 != 0) {
		return h, WSProtocol
	}
	if h.kind < wsClose && h.body > uint64(f.limit-len(f.partial)) {
		return h, WSTooLarge
	}
	if len(b) >= size+4 {
		copy(h.mask[:], b[size:])
		h.size = size + 4
	}
	return h, nil
}

// fits tells whether a frame of the kind may come now.
func (f *frames) fits(h *wsHeader) bool {
	switch h.kind {
	case wsContinuation:
		return f.kind != 0
	case WSText, wsBinary:
		return f.kind == 0
	case wsClose, WSPing, wsPong:
		return h.final && h.body <= maxControl
	}
	return false
}

// join puts a data frame behind those before it.
func (f *frames) join(h *wsHeader, payload []byte) (kind byte, message []byte, err error) {
	kind = h.kind
	if kind == wsContinuation || !h.final {
		if kind != wsContinuation {
			f.kind = kind
		}
		f.partial = append(f.partial, payload...)
		if !h.final {
			return wsContinuation, nil, nil
		}
		kind, payload = f.kind, f.partial
		f.kind, f.partial = 0, nil
	}
	if kind == WSText && !utf8.Valid(payload) {
		return 0, nil, WSBadText
	}
	return kind, payload, nil
}

// closeStatus reads the payload of a close frame (RFC 6455 §5.5.1, §7.4).
func closeStatus(payload []byte) WSError {
	if len(payload) == 0 {
		return wsNoStatus
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return WSProtocol
	}
	code := binary.BigEndian.Uint16(payload)
	switch {
	case code >= 1000 && code <= 1014 && (code < 1004 || code > 1006), code >= 3000 && code <= 4999:
		return WSError(code)
	}
	return WSProtocol
}

// AppendFrame writes a frame as a server does: whole and without a mask.
func AppendFrame(dst []byte, kind byte, payload []byte) []byte {
	dst = append(dst, 0x80|kind)
	switch n := len(payload); {
	case n <= maxControl:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// maxHead is how much of a message that is too long is looked at for the end of its head.
const maxHead = 16 << 10

// head is the head of a message that is too long, of which b has the next frame; not whole:
// it may be yet. It is empty when there is none, or the frame is no message's.
func (f *frames) head(b []byte) (head []byte, whole bool) {
	at := 2 // of the mask
	switch b[1] & 0x7f {
	case 126:
		at = 4
	case 127:
		if at = 10; binary.BigEndian.Uint64(b[2:]) > uint64(16*f.limit) {
			return nil, true // nobody sends that
		}
	}
	head = bytes.Clone(f.partial)
	for i := at + 4; i < len(b) && len(head) < maxHead; i++ {
		head = append(head, b[i]^b[at+(i-at)&3])
	}
	whole = len(head) >= maxHead
	if n := message.Head(head); n > 0 {
		return head[:n], true
	}
	return nil, whole
}
