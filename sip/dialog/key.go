package dialog

import (
	"hash/maphash"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// Ref is the dialog that a request is within, and who sent it.
type Ref struct {
	Key Key
	By  Side
}

// RefOf is that of a request whose tokens tell the direction.
func RefOf(d *route.Dialog, s *route.Set) Ref {
	if s.FromCalled {
		return Ref{KeyOf(d.CallID, d.To, d.From), CalledSide}
	}
	return Ref{KeyOf(d.CallID, d.From, d.To), CallerSide}
}

// Key names a dialog as the caller sees it: what Call-ID and tags come to.
type Key [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// KeyOf hashes a Call-ID, the tag of the side that sent the INVITE, and the other tag.
func KeyOf(callID, caller, called []byte) Key {
	var buf [192]byte
	b := append(append(buf[:0], callID...), 0)
	b = append(append(b, caller...), 0)
	b = append(b, called...)
	return Key{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)}
}

// answeredKey is the key of the dialog that a response to the caller makes.
func answeredKey(res *message.Message) Key {
	return KeyOf(res.Get(message.CallID), res.Tag(message.From), res.Tag(message.To))
}
