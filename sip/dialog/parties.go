package dialog

import (
	"slices"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// Party is what a dialog knows of one of its two, to write it a request.
type Party struct {
	// Name is its From or To value, Contact the URI at which it is reached.
	Name, Contact []byte
	// NoREFER: it has said that it takes none.
	NoREFER bool
	// CSeq is the greatest number that it was seen to give a request of its own.
	CSeq uint32
}

// Parties are what is needed to hang up in the name of either.
type Parties struct {
	CallID         []byte
	caller, called Party
	// routes is the Record-Route of the dialog, the nearest to the called one first, with
	// commas between.
	routes []byte
}

// NewParties takes them from the INVITE as it came and its 2xx. Few calls need the
// routes, so they are kept as they came; all is one piece of memory.
func NewParties(req, res *message.Message) *Parties {
	id, caller, called := res.Get(message.CallID), res.Get(message.From), res.Get(message.To)
	from, to := req.ContactURI(), res.ContactURI()
	size := len(id) + len(caller) + len(called) + len(from) + len(to)
	for r := range res.All(message.RecordRoute) {
		size += len(r) + 1
	}
	buf := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		n := len(buf)
		buf = append(buf, b...)
		return buf[n:len(buf):len(buf)]
	}
	p := &Parties{CallID: keep(id), caller: Party{Name: keep(caller), Contact: keep(from)}, called: Party{Name: keep(called), Contact: keep(to)}}
	p.caller.CSeq, _, _ = message.ParseCSeq(req.Get(message.CSeq))
	p.caller.NoREFER, p.called.NoREFER = !req.Allows("REFER"), !res.Allows("REFER")
	n := len(buf)
	for r := range res.All(message.RecordRoute) {
		if len(buf) > n {
			buf = append(buf, ',')
		}
		buf = append(buf, r...)
	}
	p.routes = buf[n:]
	return p
}

// Of is one of the two.
func (p *Parties) Of(s Side) *Party {
	if s == CalledSide {
		return &p.called
	}
	return &p.caller
}

// Dialog is the dialog in a request of a side.
func (p *Parties) Dialog(from Side) route.Dialog {
	d := route.Dialog{CallID: p.CallID, From: message.TagOf(p.caller.Name), To: message.TagOf(p.called.Name)}
	if from == CalledSide {
		d.From, d.To = d.To, d.From
	}
	return d
}

// Way is the Route list of the other side to a side.
func (p *Parties) Way(to Side) [][]byte {
	var list [][]byte
	for rest := p.routes; len(rest) > 0; {
		var one []byte
		one, rest = message.NextElement(rest)
		list = append(list, one)
	}
	if to == CalledSide {
		slices.Reverse(list)
	}
	return list
}
