package message

import (
	"bytes"
	"errors"
)

// ErrTooLarge says that a message on a stream is longer than the limit.
var ErrTooLarge = errors.New("message too large")

// ErrFraming says that the end of a message on a stream can't be found.
var ErrFraming = errors.New("no usable Content-Length")

// Frame finds the end of the first message in what a stream delivered so far
// (RFC 3261 §18.3): its length, or 0 while bytes are missing. With ErrFraming
// and ErrTooLarge the length is that of the head, to answer it, when there is one.
func Frame(data []byte, limit int) (int, error) {
	head := Head(data)
	if head == 0 {
		if len(data) > limit {
			return 0, ErrTooLarge
		}
		return 0, nil
	}
	n, ok := frameLength(data[:head])
	switch {
	case !ok:
		return head, ErrFraming
	case int64(head)+n > int64(limit):
		return head, ErrTooLarge
	case int64(head)+n > int64(len(data)):
		return 0, nil
	}
	return head + int(n), nil
}

// Head is the length of start line and headers with the empty line, 0 while
// that is missing. Lines may end with a bare LF, which Parse then refuses.
func Head(data []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return 0
		}
		line := data[i : i+n]
		i += n + 1
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return i
		}
	}
}

// Length is that of a whole message with this head; false when it does not say.
func Length(head []byte) (int64, bool) {
	n, ok := frameLength(head)
	return int64(len(head)) + n, ok
}

// HeadOf makes a head of the whole lines of one that is too long to be read to its end, so
// that what it begins with can be answered.
func HeadOf(data []byte) []byte {
	end := bytes.LastIndexByte(data, '\n') + 1
	return append(bytes.Clone(data[:end]), "\r\n"...)
}

// frameLength reads Content-Length from a head without changing it.
func frameLength(head []byte) (int64, bool) {
	length := int64(-1)
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		// A folded Content-Length is legal and nobody sends it: join it here.
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			var more []byte
			more, rest, _ = bytes.Cut(rest, []byte("\n"))
			line = append(bytes.TrimRight(bytes.Clone(line), "\r"), more...)
		}
		head = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || KindOf(Trim(name)) != ContentLength {
			continue
		}
		n, ok := decimal(bytes.Trim(value, " \t\r"), 1<<31)
		if !ok || length >= 0 && n != length {
			return 0, false
		}
		length = n
	}
	return length, length >= 0
}
