package proxy

import (
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/message"
)

// verdict chooses the outcome of an attempt whose branches all failed
// (RFC 3261 §16.7 step 6). stopped is why we gave up ourselves; nil when we
// did not.
func verdict(results []result, stopped *Outcome) Outcome {
	best, retry := &results[0], true
	for i := range results {
		r := &results[i]
		retry = retry && r.retry
		if worth(r) < worth(best) {
			best = r
		}
	}
	if stopped != nil && best.code < 600 {
		return *stopped
	}
	out := Outcome{Outcome: invite.Outcome{Code: best.code, Reason: best.reason, Retry: retry}, res: best.res}
	if best.code == 401 || best.code == 407 {
		out.challenges = challenges(results, best)
	}
	if best.code == 503 {
		out.RetryAfter = retryAfter(best.res)
		if !best.ours {
			// That somebody behind us is overloaded does not say that we are.
			out.Code, out.Reason, out.res = 500, "Server Internal Error", nil
		}
	}
	return out
}

// challenges are the lines of all others that ask the caller who it is: it can
// answer them all at once (RFC 3261 §16.7 step 7).
func challenges(results []result, best *result) (lines []byte) {
	for i := range results {
		r := &results[i]
		if r == best || r.res == nil || r.code != 401 && r.code != 407 {
			continue
		}
		for _, h := range r.res.Headers {
			if message.EqualFold(h.Name, "www-authenticate") || message.EqualFold(h.Name, "proxy-authenticate") {
				lines = append(append(append(append(lines, h.Name...), ": "...), h.Value...), "\r\n"...)
			}
		}
	}
	return lines
}

// worth orders final responses, the best first: 6xx, then what says most about
// how to call again, then the lower classes.
func worth(r *result) int {
	switch {
	case r.code >= 600:
		return r.code - 600
	case r.res == nil: // made up here
		return 900 + r.code
	case r.code == 401, r.code == 407, r.code == 415, r.code == 420, r.code == 484:
		return 400
	case r.code == 503:
		return 890
	}
	return r.code + 1
}
