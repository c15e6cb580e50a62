package proxy

import (
	"hash/maphash"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// dialogRef is the dialog that a request is within, and who sent it.
type dialogRef struct {
	key dialogKey
	by  Side
}

// refOf is that of a request whose tokens tell the direction.
func refOf(d *route.Dialog, s *route.Set) dialogRef {
	if s.FromCalled {
		return dialogRef{dialogKeyOf(d.CallID, d.To, d.From), CalledSide}
	}
	return dialogRef{dialogKeyOf(d.CallID, d.From, d.To), CallerSide}
}

// dialogKey names a dialog as the caller sees it: what Call-ID and tags come to.
type dialogKey [2]uint64

var dialogSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func dialogKeyOf(callID, caller, called []byte) dialogKey {
	var buf [192]byte
	b := append(append(buf[:0], callID...), 0)
	b = append(append(b, caller...), 0)
	b = append(b, called...)
	return dialogKey{maphash.Bytes(dialogSeeds[0], b), maphash.Bytes(dialogSeeds[1], b)}
}

// answeredKey is the key of the dialog that a response to the caller makes.
func answeredKey(res *message.Message) dialogKey {
	return dialogKeyOf(res.Get(message.CallID), res.Tag(message.From), res.Tag(message.To))
}
