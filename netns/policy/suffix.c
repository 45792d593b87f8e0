/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suffix - names below which anyone can register, so that "*.suffix" would be no list but the internet.
 *
 * Not the whole Public Suffix List (some 10,000 entries that change weekly): a rule is written by the
 * operator, who is trusted, and this catches the slip, not an attack.  Covered: every single label; the second levels
 * that registries of the larger country domains sell below; and services where a customer gets a name
 * below a shared one and may serve or store what he likes.
 */
#include <string.h>

#include "netns/policy/names.h"

/*
 * Arrays, not pointers: the launcher would have to relocate each of these at every start.
 *
 * Registries: parent, then what they sell below it.
 */
static const struct {
	char top[8], second[88];
} registry[] = {
	{"ar", " com edu gob gov int mil net org "},
	{"at", " ac co gv or "},
	{"au", " asn com edu gov id net org "},
	{"bd", " ac com edu gov net org "},
	{"bo", " com edu gob net org "},
	{"br", " adv app art blog com dev eco edu emp eng gov ind inf jus leg mil net org tec tv "},
	{"cl", " co gob gov mil "},
	{"cn", " ac com edu gov mil net org "},
	{"co", " com edu gov mil net nom org "},
	{"cr", " ac co ed fi go or sa "},
	{"cy", " ac com gov net org "},
	{"do", " com edu gob gov net org "},
	{"ec", " com edu fin gob gov net org "},
	{"eg", " com edu gov net org "},
	{"es", " com edu gob nom org "},
	{"fr", " asso com gouv nom prd tm "},
	{"ge", " com edu gov net org pvt "},
	{"gh", " com edu gov org "},
	{"gr", " com edu gov net org "},
	{"gt", " com edu gob net org "},
	{"hk", " com edu gov idv net org "},
	{"hr", " com from iz name "},
	{"hu", " co info org "},
	{"id", " ac biz co desa go mil my net or sch web "},
	{"il", " ac co gov idf k12 muni net org "},
	{"in", " ac co edu firm gen gov ind info io mil net nic org res "},
	{"ir", " ac co gov id net org sch "},
	{"it", " edu gov "},
	{"jp", " ac ad co ed go gr lg ne or "},
	{"ke", " ac co go info me mobi ne or sc "},
	{"kr", " ac co es go hs kg mil ms ne or pe re sc "},
	{"kw", " com edu emb gov ind net org "},
	{"lb", " com edu gov net org "},
	{"lk", " com edu gov net org sch web "},
	{"ma", " ac co gov net org press "},
	{"mt", " com edu net org "},
	{"mx", " com edu gob net org "},
	{"my", " com edu gov mil name net org "},
	{"ng", " com edu gov i mil mobi name net org sch "},
	{"ni", " ac co com edu gob net org "},
	{"np", " com edu gov mil net org "},
	{"nz", " ac co cri geek gen govt health iwi kiwi maori mil net org parliament school "},
	{"om", " co com edu gov net org "},
	{"pa", " ac com edu gob net org "},
	{"pe", " com edu gob mil net nom org "},
	{"ph", " com edu gov i mil net ngo org "},
	{"pk", " biz com edu fam gob gov net org web "},
	{"pl", " biz com edu gov info mil net org waw "},
	{"pr", " biz com edu gov info name net org pro "},
	{"pt", " com edu gov int net nome org publ "},
	{"py", " com edu gov mil net org "},
	{"qa", " com edu gov mil name net org sch "},
	{"ro", " com info nom nt org rec store tm www "},
	{"rs", " ac co edu gov in org "},
	{"ru", " ac com edu gov int mil msk net org pp spb "},
	{"sa", " com edu gov med net org pub sch "},
	{"sg", " com edu gov net org per "},
	{"sv", " com edu gob org red "},
	{"th", " ac co go in mi net or "},
	{"tr", " av bel biz com dr edu gen gov info k12 mil name net org pol tel tv web "},
	{"tw", " club com ebiz edu game gov idv mil net org "},
	{"tz", " ac co go hotel info me mil mobi ne or sc tv "},
	{"ua", " com edu gov in kharkov kiev kyiv lviv net odesa org "},
	{"ug", " ac co com go ne or org sc "},
	{"uk", " ac co gov judiciary ltd me mod net nhs nic org parliament plc police sch "},
	{"us", " ca dc fl fed il isa kids ma ny oh pa tx va wa "},
	{"uy", " com edu gub mil net org "},
	{"uz", " co com net org "},
	{"ve", " ac co com edu gob gov info net org web "},
	{"vn", " ac biz com edu gov health id info int io name net org pro "},
	{"za", " ac agric co edu gov law mil net nis nom org school web "},
	{"zm", " ac co com edu gov net org sch "},
	{"zw", " ac co gov mil org "},
	/* sold like a registry */
	{"com", " africa ar br cn co de eu gb gr hu it jpn kr mex no qc ru sa se uk us uy za "},
	{"net", " gb hu in jp se uk "},
	{"org", " ae eu us "},
	{"de", " com "},
	{"arpa", " e164 home in-addr ip6 iris uri urn "},
};

/* Services: everybody's names, content and inboxes. */
static const char service[][32] = {
	"appspot.com",
	"awsapprunner.com",
	"azure-api.net",
	"azurecontainer.io",
	"azureedge.net",
	"azurefd.net",
	"azurestaticapps.net",
	"azurewebsites.net",
	"b-cdn.net",
	"backblazeb2.com",
	"bitbucket.io",
	"blob.core.windows.net",
	"blogspot.com",
	"burpcollaborator.net",
	"cloudapp.azure.com",
	"cloudapp.net",
	"cloudfront.net",
	"cloudfunctions.net",
	"cloudwaysapps.com",
	"codeberg.page",
	"ddns.net",
	"deno.dev",
	"digitaloceanspaces.com",
	"duckdns.org",
	"dyndns.org",
	"edgesuite.net",
	"elasticbeanstalk.com",
	"elb.amazonaws.com",
	"fastly.net",
	"file.core.windows.net",
	"firebaseapp.com",
	"firebaseio.com",
	"fly.dev",
	"freemyip.com",
	"github.io",
	"githubpreview.dev",
	"gitlab.io",
	"glitch.me",
	"hf.space",
	"herokuapp.com",
	"interact.sh",
	"lhr.life",
	"loca.lt",
	"localtunnel.me",
	"myshopify.com",
	"netlify.app",
	"ngrok-free.app",
	"ngrok-free.dev",
	"ngrok.app",
	"ngrok.dev",
	"ngrok.io",
	"nip.io",
	"no-ip.org",
	"oast.fun",
	"oast.live",
	"oast.me",
	"oast.online",
	"oast.pro",
	"oast.site",
	"oastify.com",
	"on.aws",
	"ondigitalocean.app",
	"onrender.com",
	"pages.dev",
	"pipedream.net",
	"pythonanywhere.com",
	"r2.cloudflarestorage.com",
	"r2.dev",
	"railway.app",
	"readthedocs.io",
	"repl.co",
	"replit.app",
	"replit.dev",
	"run.app",
	"s3.amazonaws.com",
	"sharepoint.com",
	"sourceforge.io",
	"sslip.io",
	"streamlit.app",
	"supabase.co",
	"surge.sh",
	"trafficmanager.net",
	"translate.goog",
	"trycloudflare.com",
	"tunnelmole.net",
	"up.railway.app",
	"vercel.app",
	"web.app",
	"web.core.windows.net",
	"webhook.site",
	"wordpress.com",
	"workers.dev",
	"xip.io",
	"zapto.org",
};

/* s3.REGION.amazonaws.com and s3-REGION.amazonaws.com are what s3.amazonaws.com is. */
static bool is_bucket_parent(const char *name)
{
	static const char tail[] = ".amazonaws.com";
	size_t n = strlen(name), t = sizeof(tail) - 1;

	if (n <= t || strcmp(name + n - t, tail) != 0)
		return false;
	if (strncmp(name, "s3.", 3) != 0 && strncmp(name, "s3-", 3) != 0)
		return false;
	/* one label, the region, or "dualstack" and it */
	return n == t + 2 || strchr(name + 3, '.') == name + n - t ||
	       strncmp(name, "s3.dualstack.", 13) == 0;
}

bool oc_name_is_registry(const char *name)
{
	/* Single labels may be hosts of the local network ("db"): only those that nobody calls a host. */
	static const char generic[] = " aero ai app arpa asia biz blog cc cloud club com coop dev edu eu gov "
				      "host info int io jobs life live me mil mobi name net online org page "
				      "pro shop site space store tech tel top travel tv website world xyz ";
	const char *dot = strchr(name, '.');
	char word[OC_NAME_LABEL_MAX + 3];
	size_t n = dot ? (size_t)(dot - name) : strlen(name);

	if (n > OC_NAME_LABEL_MAX)
		return false;
	word[0] = ' ';
	memcpy(word + 1, name, n);
	word[n + 1] = ' ';
	word[n + 2] = '\0';
	if (!dot && strstr(generic, word))
		return true;
	for (size_t i = 0; i < sizeof(registry) / sizeof(registry[0]); i++) {
		if (!dot && strcmp(name, registry[i].top) == 0)
			return true;
		if (dot && strcmp(dot + 1, registry[i].top) == 0 && strstr(registry[i].second, word))
			return true;
	}
	return false;
}

bool oc_name_is_public_suffix(const char *name)
{
	if (!strchr(name, '.') || oc_name_is_registry(name))
		return true;
	for (size_t i = 0; i < sizeof(service) / sizeof(service[0]); i++)
		if (strcmp(name, service[i]) == 0)
			return true;
	return is_bucket_parent(name);
}
