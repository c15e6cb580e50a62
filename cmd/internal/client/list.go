package client

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// Known asks whether there is what a filter names: its node, site and group. A watch would
// wait for them for ever.
func (c *Client) Known(ctx context.Context, f *tcpb.Filter) error {
	if f.GetGroup()+f.GetOwner()+f.GetSite() == "" {
		return nil
	}
	_, err := Unary(ctx, c, c.Availability.ListDNs, &tcpb.ListDNsRequest{Filter: f, PageSize: 1})
	return err
}

// EachDN pages through a list.
func (c *Client) EachDN(ctx context.Context, f *tcpb.Filter, routable bool, fn func(*tcpb.DNStatus) error) error {
	const pageSize = 5_000
	for token := ""; ; {
		dns, next, err := c.Page(ctx, f, routable, pageSize, token)
		if err != nil {
			return err
		}
		for _, d := range dns {
			if err := fn(d); err != nil {
				return err
			}
		}
		if token = next; token == "" {
			return nil
		}
	}
}

// Page asks for one page of a list; the token of the next is "" at the end.
func (c *Client) Page(ctx context.Context, f *tcpb.Filter, routable bool, size uint32, token string) ([]*tcpb.DNStatus, string, error) {
	if routable {
		resp, err := Unary(ctx, c, c.Availability.ListRoutable, &tcpb.ListRoutableRequest{Filter: f, PageSize: size, PageToken: token})
		return resp.GetDns(), resp.GetNextPageToken(), err
	}
	resp, err := Unary(ctx, c, c.Availability.ListDNs, &tcpb.ListDNsRequest{Filter: f, PageSize: size, PageToken: token})
	return resp.GetDns(), resp.GetNextPageToken(), err
}
