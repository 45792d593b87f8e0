/* SPDX-License-Identifier: Apache-2.0 */
/* nothing - the command of bench-exec: static, so that its own start costs next to nothing. */
int main(void)
{
	return 0;
}
