package peer

import (
	"encoding/binary"
	"errors"
)

const (
	// MaxMessage is the longest message, as over TCP.
	MaxMessage = 64 << 10
	frameHead  = 4
)

var errTooLong = errors.New("sip: a peer's message is too long")

func appendFrame(dst, message []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message)))
	return append(dst, message...)
}

// cutFrames appends the whole messages at the beginning of b to list; rest is what is
// behind them, need how long that will be when it is whole, as far as is known.
func cutFrames(b []byte, list [][]byte) (messages [][]byte, rest []byte, need int, err error) {
	for {
		if len(b) < frameHead {
			return list, b, frameHead, nil
		}
		n := binary.BigEndian.Uint32(b)
		if n > MaxMessage {
			return list, b, 0, errTooLong
		}
		end := frameHead + int(n)
		if len(b) < end {
			return list, b, end, nil
		}
		list, b = append(list, b[frameHead:end:end]), b[end:]
	}
}
