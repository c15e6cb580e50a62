package registrar

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// Fast is the short way for the boring REGISTER: the one that phones send all
// day long, over UDP, with one Via, one Contact that is registered or
// refreshed, and nothing that asks for more. It is read in one pass without
// allocating, goes to the registrar, and the answer is written next to the
// others of its batch. What is boring is decided so narrowly that whatever
// passes would have passed the gate with the same meaning;
// TestFast_AnswersLikeThePlainWay and FuzzFast hold that. A fast belongs to
// one reader.
type Fast struct {
	registrar *Registrar
	reg       Request
	ans       answer.Answer

	// What the answer repeats.
	via                    message.Hop
	from, to, callID, cseq []byte
	seen                   uint32 // bit set of message.Kind
	contact, authorization []byte
	userAgent              []byte
	maxForwards, expires   []byte
	toHasTag               bool
}

var (
	registerSip = []byte("REGISTER sip:")
	version     = []byte(" SIP/2.0\r\n")
	digestWord  = []byte("Digest ")
	magicCookie = []byte(message.MagicCookie)
)

// NewFast makes the fast way of one reader into a registrar.
func NewFast(g *Registrar) *Fast { return &Fast{registrar: g} }

// Serve answers a boring datagram. When it is false it has done nothing.
func (f *Fast) Serve(in *wire.Arrival) bool {
	if f == nil || !f.scan(in.Data) {
		return false
	}
	f.reg.Transport, f.reg.Source, f.reg.Mapped = location.UDP, in.Source, f.via.Mapped(in.Source)
	f.ans.Reset()
	f.registrar.cfg.Stats.Fast.Add(1)
	f.registrar.Serve(&f.reg, &f.ans)
	if f.ans.Code == 0 {
		return true // silence
	}
	f.registrar.cfg.Stats.Answered(f.ans.Code)
	in.Reply, in.ReplyTo, in.Durable = f.appendAnswer(in.Reply, in.Source), f.via.AnswerTo(in.Source), f.ans.Durable
	return true
}

// scan reads the message; false when it is not boring.
func (f *Fast) scan(data []byte) bool {
	if !bytes.HasPrefix(data, registerSip) || bytes.IndexByte(data, 0) >= 0 {
		return false
	}
	i := bytes.IndexByte(data, '\n')
	if i < 0 || !bytes.HasSuffix(data[:i+1], version) {
		return false
	}
	target, ok := message.ParseURI(data[len("REGISTER ") : i+1-len(version)])
	if !ok || len(target.Headers) > 0 {
		return false
	}
	f.seen, f.authorization, f.userAgent, f.maxForwards, f.expires = 0, nil, nil, nil, nil
	f.reg.Reset()
	f.reg.URIHost = target.Host
	return f.lines(data[i+1:]) && f.complete() && f.addresses() && f.lifetime()
}

// lines reads the headers; there must be no body.
func (f *Fast) lines(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 1 || data[i-1] != '\r' {
			return false
		}
		line := data[:i-1]
		data = data[i+1:]
		if len(line) == 0 {
			return len(data) == 0
		}
		if line[0] == ' ' || line[0] == '\t' || bytes.IndexByte(line, '\r') >= 0 || !f.line(line) {
			return false
		}
	}
}

func (f *Fast) line(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i < 1 || !message.IsToken(line[:i]) {
		return false
	}
	k, v := message.KindOf(line[:i]), message.Trim(line[i+1:])
	if k == message.Other {
		return true
	}
	if f.seen&(1<<k) != 0 {
		return false
	}
	f.seen |= 1 << k
	return f.header(k, v)
}

func (f *Fast) header(k message.Kind, v []byte) (ok bool) {
	switch k {
	case message.Via:
		f.via, ok = message.ParseVia(v)
		branch, _ := message.Param(f.via.Params, "branch")
		return ok && bytes.IndexByte(v, ',') < 0 && len(branch) > len(magicCookie) && bytes.HasPrefix(branch, magicCookie)
	case message.From:
		f.from = v
	case message.To:
		f.to = v
	case message.CallID:
		f.callID = v
	case message.CSeq:
		f.cseq = v
	case message.MaxForwards:
		f.maxForwards = v
	case message.ContentLength:
		return string(v) == "0"
	case message.Contact:
		f.contact = v
	case message.Expires:
		f.expires = v
	case message.Authorization:
		f.authorization = v
		return len(v) > len(digestWord) && bytes.EqualFold(v[:len(digestWord)], digestWord)
	case message.UserAgent:
		f.userAgent = v
	case message.Supported:
		f.reg.SupportsGRUU, f.reg.SupportsOutbound = message.Lists(v, gruu.Option), message.Lists(v, Outbound)
	case message.ContentType:
	default:
		return false // Require, Path, Route and their like
	}
	return true
}

const needed = 1<<message.Via | 1<<message.From | 1<<message.To | 1<<message.CallID | 1<<message.CSeq | 1<<message.Contact

// complete checks what stands alone.
func (f *Fast) complete() bool {
	if f.seen&needed != needed || len(f.callID) == 0 || bytes.IndexByte(f.callID, ' ') >= 0 || bytes.IndexByte(f.callID, '\t') >= 0 {
		return false
	}
	n, method, ok := message.ParseCSeq(f.cseq)
	if !ok || !bytes.Equal(method, methodRegister) {
		return false
	}
	f.reg.CallID, f.reg.CSeq, f.reg.UserAgent = f.callID, n, f.userAgent
	if f.authorization != nil {
		f.reg.Authorizations = append(f.reg.Authorizations, f.authorization)
	}
	return f.seen&(1<<message.MaxForwards) == 0 || positive(f.maxForwards, 255)
}

// positive tells whether v is a number from 1 to limit.
func positive(v []byte, limit uint64) bool {
	if len(v) == 0 || len(v) > 9 {
		return false
	}
	var n uint64
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + uint64(c-'0')
	}
	return n > 0 && n <= limit
}

// addresses reads From, To and Contact.
func (f *Fast) addresses() bool {
	from, ok := message.ParseAddress(f.from)
	if !ok {
		return false
	}
	if _, ok = message.ParseURI(from.URI); !ok {
		return false
	}
	to, ok := message.ParseAddress(f.to)
	if !ok {
		return false
	}
	aor, ok := message.ParseURI(to.URI)
	if !ok || !aor.IsSIP() || len(aor.User) == 0 || bytes.IndexByte(aor.User, '%') >= 0 || bytes.IndexByte(aor.User, ':') >= 0 {
		return false
	}
	f.reg.ToUser, f.reg.ToHost = aor.User, aor.Host
	_, f.toHasTag = message.Param(to.Params, "tag")
	one, rest := message.NextElement(f.contact)
	if rest != nil || len(one) == 1 && one[0] == '*' || !f.reg.AddContacts(one) || f.reg.alien {
		return false
	}
	_, ok = message.ParseURI(f.reg.contacts[0].uri)
	return ok
}

// lifetime checks that the contact is registered, not removed.
func (f *Fast) lifetime() bool {
	if f.expires != nil {
		f.reg.Expires = ParseExpires(f.expires)
	}
	life := f.reg.contacts[0].expires
	if life < 0 {
		life = f.reg.Expires
	}
	return life != 0
}

func (f *Fast) appendAnswer(dst []byte, source netip.AddrPort) []byte {
	dst = append(dst, "SIP/2.0 "...)
	dst = strconv.AppendInt(dst, int64(f.ans.Code), 10)
	dst = append(dst, ' ')
	dst = append(dst, f.ans.Reason...)
	dst = append(dst, "\r\nVia: "...)
	dst = f.via.AppendTo(dst, source, nil)
	dst = append(dst, "\r\nFrom: "...)
	dst = append(dst, f.from...)
	dst = append(dst, "\r\nTo: "...)
	dst = append(dst, f.to...)
	if !f.toHasTag {
		dst = append(dst, ";tag="...)
		dst = answer.AppendToTag(dst, f.registrar.seed, f.callID, f.reg.CSeq)
	}
	dst = append(dst, "\r\nCall-ID: "...)
	dst = append(dst, f.callID...)
	dst = append(dst, "\r\nCSeq: "...)
	dst = append(dst, f.cseq...)
	dst = append(dst, "\r\n"...)
	dst = append(dst, f.ans.Lines...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}
