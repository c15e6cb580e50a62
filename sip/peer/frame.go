package peer

import (
	"encoding/binary"
	"errors"
)

const (
	// MaxMessage is the longest message: what may come over TCP, with what nodes add.
	MaxMessage = 80 << 10
	frameHead  = 4
)

var errTooLong = errors.New("sip: a peer's message is too long")

func appendFrame(dst, message []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message)))
	return append(dst, message...)
}

// cutFrames appends the whole messages at the beginning of b to list; rest is what is
// behind them.
func cutFrames(b []byte, list [][]byte) (messages [][]byte, rest []byte, err error) {
	for len(b) >= frameHead {
		n := binary.BigEndian.Uint32(b)
		if n > MaxMessage {
			return list, b, errTooLong
		}
		end := frameHead + int(n)
		if len(b) < end {
			break
		}
		list, b = append(list, b[frameHead:end:end]), b[end:]
	}
	return list, b, nil
}
