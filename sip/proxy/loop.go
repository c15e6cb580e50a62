package proxy

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/sipcluster/sipcluster/sip/message"
)

// branchPrefix begins the branches of the proxy.
const branchPrefix = message.MagicCookie + "sc"

// IsBranch tells whether a branch is one of the proxy's.
func IsBranch(branch []byte) bool { return bytes.HasPrefix(branch, []byte(branchPrefix)) }

// loopMark is what makes a request come back to us unchanged recognisable
// (RFC 3261 §16.6 step 8, RFC 5393 §4.2): everything that decides where it
// goes. It is in the branch of the Via that we add.
func loopMark(seed maphash.Seed, m *message.Message) [13]byte {
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(m.URI)
	n, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], n)
	h.Write(number[:])
	for _, k := range [...]message.Kind{message.From, message.To, message.CallID, message.ProxyRequire} {
		h.Write(m.Get(k))
		h.WriteByte(0)
	}
	for r := range m.All(message.Route) {
		h.Write(r)
		h.WriteByte(0)
	}
	return base32(h.Sum64())
}

func base32(n uint64) (out [13]byte) {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	for i := range out {
		out[i] = digits[n&31]
		n >>= 5
	}
	return out
}

// maxVias is how many hops a request may have made.
const maxVias = 70

var (
	errLoop = &message.Fault{Code: 482, Reason: "Loop Detected"}
	errHops = &message.Fault{Code: 483, Reason: "Too Many Hops"}
)

// looped finds our mark in the Via list.
func looped(m *message.Message, mark [13]byte) *message.Fault {
	n := 0
	for rest := range m.All(message.Via) {
		var v []byte
		for v, rest = message.NextElement(rest); ; v, rest = message.NextElement(rest) {
			if n++; n > maxVias {
				return errHops
			}
			if ownVia(v, mark) {
				return errLoop
			}
			if rest == nil {
				break
			}
		}
	}
	return nil
}

// ownVia tells whether a Via entry is one of ours with the mark.
func ownVia(v []byte, mark [13]byte) bool {
	if !bytes.Contains(v, mark[:]) {
		return false
	}
	via, _ := message.ParseVia(v)
	branch, _ := message.Param(via.Params, "branch")
	n := len(branchPrefix)
	return len(branch) > n+len(mark) && string(branch[:n]) == branchPrefix && string(branch[n:n+len(mark)]) == string(mark[:])
}
