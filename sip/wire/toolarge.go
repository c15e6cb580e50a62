package wire

import (
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// maxSkipped is the longest message that is read past, to go on behind it.
const maxSkipped = 16 << 20

// skipped takes off the buffer what is left of a message that was refused.
func (f *Flow) skipped(b []byte) []byte {
	n := min(f.skip, int64(len(b)))
	if f.skip -= n; n > 0 && f.skip == 0 {
		f.began = time.Now()
	}
	return b[n:]
}

// tooLarge answers a message that is longer than what is taken, whose head has n octets, 0
// for one that is not all there. What follows is read past, as far as its end is known and
// not too far.
func (f *Flow) tooLarge(b []byte, n int) {
	if n == 0 {
		f.refuse(message.HeadOf(b), message.ErrTooLarge)
		return
	}
	f.refuse(b[:n], message.ErrTooLarge)
	if size, ok := message.Length(b[:n]); ok && size <= maxSkipped {
		f.skip = size
	}
}
