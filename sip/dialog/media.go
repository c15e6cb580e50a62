package dialog

import (
	"bytes"

	"github.com/sipcluster/sipcluster/sip/message"
)

// media is which way the media of a side goes, as its session description says: that of
// the first audio stream that is in use, or without one of the first stream.
type media uint8

const (
	// said: something is said of it.
	said media = 1 << iota
	sends
	receives
	both = said | sends | receives
	// noMedia: nothing is.
	noMedia media = 0
)

// mediaOf reads the session description in a message; noMedia without one. It looks at
// each octet of the body once, and keeps nothing of it.
func mediaOf(m *message.Message) media {
	session, now := stream{way: both}, stream{}
	var first media
	inSDP, inMedia := false, false
	for rest := m.Body; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		switch {
		case !inSDP:
			inSDP = string(line) == "v=0" // what is before it are headers of a part
			continue
		case bytes.HasPrefix(line, []byte("--")): // the end of the part
			rest = nil
			continue
		case bytes.HasPrefix(line, []byte("m=")):
			if now.audio && now.used() {
				return now.media()
			}
			if first == noMedia && inMedia && now.used() {
				first = now.media()
			}
			now, inMedia = session, true
			now.begin(line[2:])
		case inMedia:
			now.line(line)
		default:
			session.line(line)
		}
	}
	if inMedia && now.used() && (now.audio || first == noMedia) {
		return now.media()
	}
	return first
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// stream is a media description, or what the session says for all.
type stream struct {
	way   media
	audio bool
	// port 0: it is not used; 9 none is known yet (RFC 8840 section 4.1.1).
	port []byte
	// mute: nothing may be sent to it, the old way to hold a call (RFC 3264 section 8.4).
	mute bool
}

// begin takes what is behind "m=".
func (s *stream) begin(v []byte) {
	kind, rest, _ := bytes.Cut(v, []byte(" "))
	s.port, _, _ = bytes.Cut(rest, []byte(" "))
	s.port, _, _ = bytes.Cut(s.port, []byte("/"))
	s.audio = string(kind) == "audio"
}

func (s *stream) line(line []byte) {
	switch string(line) {
	case "a=sendrecv":
		s.way = both
	case "a=sendonly":
		s.way = said | sends
	case "a=recvonly":
		s.way = said | receives
	case "a=inactive":
		s.way = said
	default:
		if v, is := bytes.CutPrefix(line, []byte("c=IN IP")); is {
			s.mute = string(v) == "4 0.0.0.0" || string(v) == "6 ::"
		}
	}
}

func (s *stream) used() bool { return len(s.port) > 0 && string(s.port) != "0" }

func (s *stream) media() media {
	if s.mute && string(s.port) != "9" {
		return s.way &^ receives
	}
	return s.way
}

// talk is what the sides of a dialog said last of their media, and who of them holds the
// call: who wants to hear nothing of the other.
type talk struct {
	last [CalledSide + 1]media
	held [CalledSide + 1]bool
	// offer of the side offered that waits for its answer in an ACK.
	offer   media
	offered Side
}

// says takes what a side says of its media and is free to say: an offer, or the answer to
// one who sends. Who says what it said before goes on as before.
func (t *talk) says(s Side, now media) {
	was := t.last[s]
	if was == noMedia {
		was = both
	}
	if t.last[s] = now; now != was {
		t.held[s] = now&receives == 0
	}
}

// agree takes an offer of a side and its answer, if that says something.
func (t *talk) agree(by Side, offer, answer media) {
	if offer == noMedia {
		return
	}
	t.says(by, offer)
	switch {
	case answer == noMedia:
	case offer&sends == 0 && answer&receives == 0: // there is nothing to hear
		t.last[by.Other()] = answer
	default:
		t.says(by.Other(), answer)
	}
}

// exchange takes what an answered request of a side says, and its answer. Where the request
// says nothing the answer is an offer, which the ACK answers.
func (t *talk) exchange(by Side, req, res media) {
	if req != noMedia {
		t.agree(by, req, res)
		return
	}
	t.offer, t.offered = res, by.Other()
}

// acked takes what the ACK of a side says.
func (t *talk) acked(by Side, says media) {
	if t.offer != noMedia && t.offered == by.Other() {
		t.agree(t.offered, t.offer, says)
	}
	t.offer = noMedia
}

// Follower hears what becomes of a dialog. It must not wait.
type Follower interface {
	// Held tells that a side holds the call, or does so no more.
	Held(by Side, holds bool)
	// Referred tells that a side has asked the other one to call somebody, who agreed.
	Referred(by Side)
	// Calling tells that a side says that it calls whom it was asked to call, or else that it
	// does so no more. It may come after Over.
	Calling(by Side, calls bool)
	// Over tells that the dialog has ended.
	Over(d *Dialog)
}

// heldChange is what a Follower is to hear.
type heldChange struct {
	follower Follower
	by       Side
	holds    bool
}

// Exchanged notes what an answered re-INVITE or UPDATE says of the media. What it returns
// tells who follows the dialogs, without the shard; nil: there is nothing to tell.
func (d *Table) Exchanged(at Ref, req, res *message.Message) (tell func()) {
	if len(req.Body)+len(res.Body) == 0 {
		return nil
	}
	q, r := mediaOf(req), mediaOf(res)
	return d.talked(at, func(t *talk) { t.exchange(at.By, q, r) })
}

// Acked is Exchanged for an ACK.
func (d *Table) Acked(at Ref, ack *message.Message) (tell func()) {
	if len(ack.Body) == 0 {
		return nil
	}
	says := mediaOf(ack)
	return d.talked(at, func(t *talk) { t.acked(at.By, says) })
}

func (d *Table) talked(at Ref, f func(*talk)) func() {
	var changed []heldChange
	d.mu.Lock()
	for x := d.open[at.Key]; x != nil; x = x.next {
		was := x.talk.held
		f(&x.talk)
		for _, s := range [...]Side{CallerSide, CalledSide} {
			if now := x.talk.held[s]; now != was[s] && x.follower != nil {
				changed = append(changed, heldChange{x.follower, s, now})
			}
		}
	}
	d.mu.Unlock()
	if changed == nil {
		return nil
	}
	return func() {
		for _, c := range changed {
			c.follower.Held(c.by, c.holds)
		}
	}
}

// Follow has f told of the dialog, at once when it has ended already. A dialog has one.
func (d *Dialog) Follow(f Follower) {
	d.in.mu.Lock()
	over, held := d.over, d.talk.held
	if !over {
		d.follower = f
	}
	d.in.mu.Unlock()
	for s, holds := range held {
		if holds && !over {
			f.Held(Side(s), true)
		}
	}
	if over {
		f.Over(d)
	}
}
