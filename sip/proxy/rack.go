package proxy

import (
	"fmt"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
)

// rack is which provisional answer a PRACK acknowledges (RFC 3262 section 7.2).
type rack struct {
	number, cseq uint32
	method       []byte
}

// parseRAck reads the value of a RAck: RSeq, then the CSeq of the INVITE.
func parseRAck(v []byte) (k rack, ok bool) {
	number, rest := message.NextWord(v)
	n, err := strconv.ParseUint(string(number), 10, 32)
	k.number = uint32(n)
	k.cseq, k.method, ok = message.ParseCSeq(rest)
	return k, ok && err == nil
}

// raised is the line with the CSeq higher by some.
func (k rack) raised(by uint8) []byte {
	return fmt.Appendf(nil, "RAck: %d %d %s\r\n", k.number, k.cseq+uint32(by), k.method)
}
