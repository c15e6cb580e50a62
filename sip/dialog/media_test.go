package dialog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

// TestMedia_WhichWayTheyGo is what session descriptions of all kinds say.
func TestMedia_WhichWayTheyGo(t *testing.T) {
	const v = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
	const at, audio = "c=IN IP4 192.0.2.1\r\n", "m=audio 4000 RTP/AVP 0\r\n"
	for name, c := range map[string]struct {
		body string
		want media
	}{
		"nothing":                          {"", noMedia},
		"no SDP":                           {"Signal=5\r\nDuration=160\r\n", noMedia},
		"nothing of a direction":           {v + at + audio, both},
		"both ways":                        {v + at + audio + "a=sendrecv\r\n", both},
		"music while it waits":             {v + at + audio + "a=rtpmap:0 PCMU/8000\r\na=sendonly\r\n", said | sends},
		"silence":                          {v + at + audio + "a=inactive\r\n", said},
		"who is held":                      {v + at + audio + "a=recvonly\r\n", said | receives},
		"said for all":                     {v + "a=sendonly\r\n" + at + audio, said | sends},
		"said for all, and otherwise here": {v + at + "a=sendonly\r\n" + audio + "a=sendrecv\r\n", both},
		"no address":                       {v + "c=IN IP4 0.0.0.0\r\n" + audio, said | sends},
		"no address of version 6":          {v + "c=IN IP6 ::\r\n" + audio, said | sends},
		"no address for all, one here":     {v + "c=IN IP4 0.0.0.0\r\n" + audio + at, both},
		"a browser that knows none yet":    {v + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\n", both},
		"video alone is held":              {v + at + "m=video 4002 RTP/AVP 31\r\na=sendonly\r\n" + audio, both},
		"audio that is refused":            {v + at + "m=audio 0 RTP/SAVP 0\r\na=inactive\r\n" + audio + "a=sendonly\r\n", said | sends},
		"the second audio":                 {v + at + audio + "a=sendonly\r\nm=audio 4004 RTP/AVP 0\r\n", said | sends},
		"no audio":                         {v + at + "m=message 4000 TCP/MSRP *\r\na=recvonly\r\n", said | receives},
		"all refused":                      {v + at + "m=audio 0 RTP/AVP 0\r\n", noMedia},
		"no media":                         {v + at, noMedia},
		"one of two parts": {"--b\r\nContent-Type: application/isup\r\n\r\na=inactive\r\n--b\r\nContent-Type: application/sdp\r\n\r\n" + v + at + audio + "a=sendonly\r\n--b--\r\nv=0\r\n" + audio,
			said | sends},
		"lines that end with LF": {strings.ReplaceAll(v+at+audio+"a=inactive\r\n", "\r\n", "\n"), said},
		"two ports":              {v + at + "m=audio 4000/2 RTP/AVP 0\r\na=inactive", said},
	} {
		if got := mediaOf(&message.Message{Body: []byte(c.body)}); got != c.want {
			t.Errorf("%s: %b, want %b", name, got, c.want)
		}
	}
}

// FuzzMedia gives any body: whatever it is, it is read in one go and says which way media
// go or nothing.
func FuzzMedia(f *testing.F) {
	f.Add([]byte("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"))
	f.Add([]byte("--b\r\n\r\nv=0\nm=\nm=audio\nm=video 0\n--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := slices.Clone(body)
		got := mediaOf(&message.Message{Body: body})
		if got > both || got != noMedia && got&said == 0 || !slices.Equal(before, body) {
			t.Errorf("%b of %q", got, body)
		}
	})
}

// TestTalk_WhoHoldsTheCall: A is the caller's side. Each step is an offer and its answer.
func TestTalk_WhoHoldsTheCall(t *testing.T) {
	words := map[string]media{"both": both, "send": said | sends, "recv": said | receives, "none": said, "-": noMedia}
	for name, steps := range map[string]string{
		"a hold and its end":                      "A send recv: A; A both both:",
		"the called side's":                       "B none none: B; B both both:",
		"who is held refreshes":                   "A send recv: A; B recv send: A; B both send: A",
		"who is held in silence refreshes":        "A none none: A; B none none: A; A both both:",
		"both hold":                               "A send recv: A; B none none: AB; A both send: B; B both both:",
		"both hold, the second retrieves first":   "A send recv: A; B none none: AB; B recv send: A; A both both:",
		"a refresh of nothing":                    "A both both: ; B both both:",
		"one who answers holds":                   "A both send: B; B both both:",
		"an offer without an answer":              "A send -: A; A both -:",
		"an offer in the answer, answered by ACK": "A - both: ; A ack send: A; A - both: A; A ack both:",
		"an offer in the answer that holds":       "A - send: ; A ack recv: B",
		"an ACK that answers nothing":             "A - both: ; A ack -: ; A ack send:",
		"an ACK of who made the offer":            "A - send: ; B ack recv:",
		"music that stops":                        "A send recv: A; A none none: A",
	} {
		k := talk{}
		for _, step := range strings.Split(steps, ";") {
			what, want, _ := strings.Cut(step, ":")
			var by, offer, answer string
			_, _ = fmt.Sscan(what, &by, &offer, &answer) // an answer may be missing
			side := map[string]Side{"A": CallerSide, "B": CalledSide}[by]
			if offer == "ack" {
				k.acked(side, words[answer])
			} else {
				k.exchange(side, words[offer], words[answer])
			}
			got := ""
			if k.held[CallerSide] {
				got = "A"
			}
			if k.held[CalledSide] {
				got += "B"
			}
			if got != strings.TrimSpace(want) {
				t.Errorf("%s: after%s: %q holds, want%s", name, what, got, want)
			}
		}
	}
}
